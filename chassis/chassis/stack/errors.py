"""What goes wrong when a stack is started, said once."""


class StackError(Exception):
    """One sentence for the person at the terminal; it names the setting that would change the outcome."""
