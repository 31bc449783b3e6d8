"""The engine of the target ``calls``: requests that are described as data. See docs/calls.md."""
