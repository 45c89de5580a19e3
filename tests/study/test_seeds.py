from stilts_utils.study.seeds import stable_seed


def test_a_stable_seed_is_the_same_everywhere():
    assert stable_seed("temprel", 1, "order") == 4269555060  # CRC-32 of temprel/1/order
    assert len({stable_seed("temprel", seed, use) for seed in range(50) for use in ("head", "order")}) == 100
