"""Tests of the function, of the module and of what is around them."""
