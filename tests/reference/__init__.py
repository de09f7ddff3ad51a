"""Reference results of R and other software, and the tests that compare with them."""
