"""Backups: a folder with a dump of every database, all of one moment, the files, and a manifest that says what is
what. `making` makes one, `restoring` brings one back; how the moment is found is in `cut`."""
