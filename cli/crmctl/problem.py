"""What a command says when it cannot do its work."""


class Problem(Exception):
    """One sentence for the person at the terminal; the command ends with exit code 1."""
