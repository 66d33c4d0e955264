"""Properties that hold for every input that hypothesis makes up."""
