"""The error of tables and provenance that cannot be used."""


class RecordError(ValueError):
    """A table or a provenance is missing, does not fit its schema, or is not whole."""
