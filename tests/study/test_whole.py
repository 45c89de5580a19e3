import pytest

from stilts_utils.study import whole


def fill(path, text):
    """Write a text to a file, or into a folder's only file."""
    (path / "inside" if path.is_dir() else path).write_text(text, encoding="utf8")


@pytest.mark.parametrize("write", [whole.file, whole.folder])
def test_what_is_written_takes_the_place_of_what_there_was(write, tmp_path):
    path = tmp_path / "new" / "name.txt"
    for text in ("first", "second"):
        with write(path) as place:
            fill(place, text)
            assert place.parent == path.parent and place != path
        assert (path / "inside" if path.is_dir() else path).read_text(encoding="utf8") == text
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("write", [whole.file, whole.folder])
@pytest.mark.parametrize("before", [None, "old"])
def test_an_error_leaves_what_there_was(write, before, tmp_path):
    path = tmp_path / "name"
    if before:
        with write(path) as place:
            fill(place, before)
    with pytest.raises(RuntimeError, match="cut off"), write(path) as place:
        fill(place, "half")
        raise RuntimeError("cut off")
    assert list(tmp_path.iterdir()) == ([path] if before else [])
    if before:
        assert (path / "inside" if path.is_dir() else path).read_text(encoding="utf8") == before


def test_what_failed_may_be_kept_until_the_next_try(tmp_path):
    for _ in range(2):
        with pytest.raises(FileExistsError), whole.folder(tmp_path / "name", keep_failed=True) as place:
            (place / "log").mkdir()
            (place / "log").mkdir()
        assert [path.name for path in tmp_path.rglob("*")] == [".name.tmp", "log"]


def test_a_shared_folder_that_another_process_made_stays(tmp_path):
    path = tmp_path / "name"
    with whole.folder(path, shared=True) as place:
        fill(place, "mine")
        path.mkdir()
        fill(path, "theirs")
    assert (path / "inside").read_text(encoding="utf8") == "theirs" and list(tmp_path.iterdir()) == [path]
