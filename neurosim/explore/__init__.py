"""Studies: many configurations of a chip, what each costs, and which are best."""
