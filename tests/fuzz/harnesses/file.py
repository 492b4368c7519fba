"""Any bytes are a file whose every part can be asked for or a DecodeError, and the three policies agree on which."""

from tests.fuzz import seeds
from tests.fuzz.harness import Harness
from tests.fuzz.outcomes import check_two

HARNESS = Harness("file", seeds.files, check_two, seeds.TRICKY, 2048)
