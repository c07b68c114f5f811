"""Replay of LangGraph runs: record every task, pin what is unchanged, run the rest again.

recording   inputs and outcomes of tasks, taken by reference while the run goes on
values      what is the same but for random ids; outputs frozen and thawed
places      where a task stands, in terms that hold in other runs
index       a recorded run by place: messages, authors, the tape, players
masks       outputs with messages silenced or replaced
gates       a copy of the graph that asks a course before it runs a node
course      one replay as it goes on
tools       which tools may be called again
speakers    who speaks in place of agents
system      a recorded run as a `credit_hooks.replay.System`
front       `Replay`, what users write
"""
