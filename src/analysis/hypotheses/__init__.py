"""The register: every claim, its estimand and its rule, declared as data before any data are read."""
