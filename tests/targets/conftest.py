"""What the tests of all targets share."""

import pytest

# So that a case that fails shows the values that it compared.
pytest.register_assert_rewrite("tests.target_contract", "rotation_lab.contract")
