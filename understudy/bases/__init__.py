"""The families of bases: one file per family, each with the same names."""
