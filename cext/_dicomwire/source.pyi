from typing import final

@final
class Source:
    def read_all(self) -> bytes: ...
