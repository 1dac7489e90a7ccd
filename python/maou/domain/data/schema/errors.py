"""The one error of the schema package."""

from __future__ import annotations


class SchemaValidationError(ValueError):
    """A frame does not have the form that its record type prescribes.

    Attributes:
        column: name of the column at fault.
        expected: what the schema prescribes for it.
        found: what the frame has instead.
    """

    def __init__(self, column: str, expected: str, found: str) -> None:
        """Keep the three parts apart, for callers that do more than print the message."""
        # All three go to the base class: an exception that is pickled (a DataLoader's worker does that) is
        # rebuilt from `args`.
        super().__init__(column, expected, found)
        self.column = column
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        """One line that names the column, what was expected and what came."""
        return f"column {self.column!r}: expected {self.expected}, found {self.found}"
