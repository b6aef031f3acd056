"""Methods that use second derivatives or their estimates, for energies and forces."""
