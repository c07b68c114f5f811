"""Runs of made-up teams for the laws: every text carries a mark of its own, so that a leak shows where it is."""

from hypothesis import strategies as st

from credit_hooks.rewards import Credit, CreditedRun, FirstError, Reward
from credit_hooks.trajectory import (
    Actor,
    DataPart,
    Message,
    Outcome,
    ReadSet,
    Step,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
    Trajectory,
    WithheldPart,
)

AGENTS = ("planner", "solver", "checker")
TOOLS = ("search", "compute")

names = st.sampled_from(["a", "b", "query", "n"])
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-9, 9) | st.text(max_size=6)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2), max_leaves=4
)
arguments = st.dictionaries(names, values, max_size=3)
call_ids = st.sampled_from([None, "call-1", "call-2"])  # collide on purpose
rewards = st.sampled_from([None, 0.0, 0.5, -0.5, 0.125, -0.25, 1e-9])


@st.composite
def messages(draw, index):
    kind = draw(st.sampled_from(["human", *AGENTS, *AGENTS, "tool"]))
    parts = [TextPart(text=f"<says {index}>")]
    role, author = "assistant", kind
    if kind == "human":
        role = draw(st.sampled_from(["user", "user", "system"]))
    elif kind == "tool":
        role, author = "tool", draw(st.sampled_from(TOOLS))
        result = draw(values.map(lambda value: {"found": value, "mark": f"<result {index}>"}))
        parts = [ToolResultPart(id=draw(call_ids), name=author, result=result)]
    else:
        form = draw(st.sampled_from(["text", "text", "call", "call", "data", "withheld", "nothing"]))
        if form == "call":
            made = {**draw(arguments), "mark": f"<call {index}>"}
            parts.append(ToolCallPart(id=draw(call_ids), name=draw(st.sampled_from(TOOLS)), arguments=made))
        parts = {
            "data": [DataPart(name="state", value=f"<says {index}>")],
            "withheld": [WithheldPart()],
            "nothing": [],
        }.get(form, parts)
    step = None if kind == "human" else f"s{index}"
    return Message(id=f"m{index}", index=index, actor_id=author, role=role, step_id=step, parts=tuple(parts))


@st.composite
def team_runs(draw, name="run", group=None):
    """A credited run whose steps read anything at all, even what was written later."""
    n = draw(st.integers(1, 9))
    written = tuple(draw(messages(index)) for index in range(n))
    anything = st.lists(st.integers(0, n - 1).map("m{}".format), max_size=6, unique=True)
    steps = tuple(
        Step(id=f"s{index}", actor_id=message.actor_id, reads=ReadSet(new=tuple(draw(anything))))
        for index, message in enumerate(written)
    )
    actors = (
        Actor(id="human", name="human", kind="human"),
        *(Actor(id=agent, name=agent.title(), system_prompt=f"<prompt {agent}>") for agent in AGENTS),
        *(Actor(id=tool, name=tool, kind="tool") for tool in TOOLS),
    )
    trajectory = Trajectory(
        id=name,
        group_id=group,
        task=draw(st.none() | st.just("<task>")),
        actors=actors,
        messages=written,
        steps=steps,
        tools=(Tool(name="search", parameters={"type": "object", "properties": {"query": {"type": "string"}}}),),
        outcome=Outcome(score=0.5),
    )
    return CreditedRun(trajectory=trajectory, credit=draw(credit_of(trajectory)))


@st.composite
def credit_of(draw, trajectory):
    status = draw(st.sampled_from(["credited"] * 5 + ["no_outcome"]))
    if status != "credited":
        return Credit(trajectory_id=trajectory.id, status=status)
    scored = tuple(
        Reward(message_id=message.id, actor_id=message.actor_id, reward=draw(rewards))
        for message in trajectory.messages
    )
    blamed = draw(st.none() | st.sampled_from(trajectory.messages))
    error = blamed and FirstError(
        message_id=blamed.id, actor_id=blamed.actor_id, index=blamed.index, probability=0.5, rule="prior"
    )
    return Credit(
        trajectory_id=trajectory.id,
        outcome=0.5,
        baseline=0.5,
        total=sum(reward.reward or 0.0 for reward in scored),
        messages=scored,
        first_error=error,
        low_evidence=draw(st.booleans()),
    )


@st.composite
def several_runs(draw):
    """Runs of one group and of none, some of them equal but for their ids and rewards."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        group = draw(st.sampled_from([None, "g"]))
        run = draw(team_runs(name=f"run-{number}", group=group))
        if found and draw(st.booleans()):  # the same record once more, credited differently
            twin = draw(st.sampled_from(found)).trajectory.model_copy(update={"id": f"run-{number}"})
            run = CreditedRun(trajectory=twin, credit=draw(credit_of(twin)))
        found.append(run)
    return found
