"""A small company to look at: eight people, twenty-two leads and what became of them. Everything is made up.

`company` says who there is, `stories` what happens, `load` lets it happen through the public API.
"""

from crmctl.sample.load import load

__all__ = ["load"]
