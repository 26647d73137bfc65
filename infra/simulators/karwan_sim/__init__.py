"""What the simulators share. Python 3, standard library only: python3 is on every Debian 12."""
