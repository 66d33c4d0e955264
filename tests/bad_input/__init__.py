"""Bad input to the real commands, one row each: how it is made, and the line that answers it."""
