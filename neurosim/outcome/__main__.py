"""`python -m neurosim.outcome`: the JSON Schema of the document of a run."""

from neurosim.outcome.document import schema_text

print(schema_text(), end="")
