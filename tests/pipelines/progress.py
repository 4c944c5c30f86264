"""A progress that remembers what it was told."""

from contextlib import contextmanager


class Heard:
    def __init__(self):
        self.said, self.warned, self.stages = [], [], {}

    @contextmanager
    def stage(self, name, total, unit="images"):
        counter = _Counter()
        yield counter
        self.stages[name] = (counter.done, total, unit)

    def say(self, message):
        self.said.append(message)

    def detail(self, message):
        pass

    def warn(self, message):
        self.warned.append(message)


class _Counter:
    def __init__(self):
        self.done = 0

    def advance(self, count=1, note=None):
        self.done += count
