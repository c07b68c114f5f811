import sys
from pathlib import Path

import pytest

from credit_hooks.rewards import Reward
from credit_hooks.testing import sample_run
from credit_hooks.trajectory import TextPart

sys.path.insert(0, str(Path(__file__).parent))  # `import teams`: tests are no package


@pytest.fixture
def siblings():
    """Two runs of one group that part at the checker's answer, which is right in one and wrong in the other."""
    return sibling_runs()


def sibling_runs(group="g"):
    run = sample_run()
    trajectory = run.trajectory.model_copy(update={"group_id": group})
    wrong = trajectory.messages[4].model_copy(update={"parts": (TextPart(text="The answer is 41."),)})
    other = trajectory.model_copy(update={"id": "run-2", "messages": (*trajectory.messages[:4], wrong)})
    return [with_reward(run, trajectory, 0.125), with_reward(run, other, -0.125)]


def with_reward(run, trajectory, last):
    """The run's credit with another reward for the last message."""
    old = run.credit.messages[-1]
    rewards = (*run.credit.messages[:-1], Reward(message_id=old.message_id, actor_id=old.actor_id, reward=last))
    credit = run.credit.model_copy(
        update={
            "trajectory_id": trajectory.id,
            "messages": rewards,
            "total": sum(reward.reward or 0.0 for reward in rewards),
        }
    )
    return run.model_copy(update={"trajectory": trajectory, "credit": credit})
