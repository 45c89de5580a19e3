import pytest

from stilts_utils.study.source import Source
from stilts_utils.study.validation import StudyError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("web",), "source is 'web', allowed: embedded, hub, mirror"),
        (("embedded", "folder"), "root is 'folder', allowed: none"),
    ],
)
def test_what_is_no_source_is_refused(fields, message):
    with pytest.raises(StudyError, match=message):
        Source(*fields)
