"""Values of `intermediate` that are no names of tasks."""

PRETRAINED = "none"  # duration 0: the encoder as it was pretrained
CONTROL = "target"  # the duration-matched control: the steps are spent on the target itself
