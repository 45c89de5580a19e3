"""`python -m stilts_utils.cells pack STUDY FOLDER`, `... run FOLDER OUT`, `... tables FOLDER RESULTS OUT`."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="tokenise a study and cut its encoder down")
    packing.add_argument("study")
    packing.add_argument("folder")
    packing.add_argument("--controls", nargs="*", default=[], help="targets with a duration-matched control")
    running = commands.add_parser("run", help="train and ask all models of the cells")
    running.add_argument("folder")
    running.add_argument("out")
    running.add_argument("--study", help="a study file that differs from the packed one in steps, durations or seeds")
    running.add_argument("--seconds", type=float, default=540)
    running.add_argument("--workers", type=int, default=3)
    running.add_argument("--seeds", nargs="*", default=[], help="waves of seeds, such as 1,2,3 4,5; all in one")
    running.add_argument("--only", nargs="*", default=[], help="names of tasks")
    running.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32"))
    running.add_argument("--compiled", action="store_true")
    making = commands.add_parser("tables", help="turn results into tables")
    making.add_argument("folder")
    making.add_argument("--study", help="as for run")
    making.add_argument("results")
    making.add_argument("out")
    arguments = parser.parse_args()
    if arguments.command == "pack":
        from stilts_utils.cells import make

        print(make.pack(arguments.study, arguments.folder, tuple(arguments.controls)))
        return 0
    if arguments.command == "tables":
        from stilts_utils.cells import tables

        print(tables.write(Path(arguments.folder), arguments.study, Path(arguments.results), Path(arguments.out)))
        return 0
    from stilts_utils.cells import run
    from stilts_utils.cells.pack import Pack

    seeds = Pack(arguments.folder, arguments.study).study.seeds
    waves = [tuple(map(int, wave.split(","))) for wave in arguments.seeds] or [seeds]
    options = {"dtype": arguments.dtype, "compiled": arguments.compiled}
    left = run.run(
        arguments.folder,
        arguments.study,
        arguments.out,
        arguments.seconds,
        arguments.workers,
        waves,
        options,
        tuple(arguments.only),
    )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
