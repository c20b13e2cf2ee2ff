"""Drop-in classes in the shape of other libraries: argument translation only."""
