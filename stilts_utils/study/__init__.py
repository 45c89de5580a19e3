"""What to run: a study file, read, validated and turned into a list of runs.

`study` reads a file into a `Study` and lists its runs; `settings` has the fields on training, tasks and timing; `engines`
lists the deployments that a study can name; `source` says where rows come from; `hypotheses` registers what can be tested;
`validation` checks them and says what is wrong; `schema` is for editors; `facts` are the names that stored results are read
by; `whole` writes files and folders whole or not at all. No torch.
"""

from stilts_utils.study.study import Study
from stilts_utils.study.validation import StudyError

__all__ = ["Study", "StudyError"]
