"""What the tests of prompts share: a team that counts and can be interrupted."""

from credit_hooks.demo.order_desk import desk_team


class Interrupted(BaseException):
    """As Ctrl-C."""


class CountingTeam:
    """The order desk; raises in the middle of a batch once so many system runs were made."""

    def __init__(self, inner=None, *, stop_after=None):
        self.inner = desk_team(parallel=False) if inner is None else inner
        self.name, self.blocks, self.concurrency = self.inner.name, self.inner.blocks, 1
        self.stop_after = stop_after
        self.jobs = []

    def run(self, jobs, evaluate, on_run):
        made = []
        for job in jobs:
            if self.stop_after is not None and len(self.jobs) >= self.stop_after:
                raise Interrupted
            self.jobs.append(job)
            made += self.inner.run([job], evaluate, on_run)
        return made


def told(text):
    return f"<diagnosis>because</diagnosis><prompt>{text}</prompt>"
