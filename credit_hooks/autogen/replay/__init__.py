"""Replay of AutoGen runs: a memo tape under a fresh team.

recording   what went into and came out of turns, models, tools, memories and executors, taken by reference
keys        when are two inputs the same
places      every team and agent inside a runner, by path
index       a recorded run by place: messages, the tape, players
rules       which tools may be called again
speaker     who speaks for masked agents
anew        which turns of a replay are done anew, and who does them
course      one replay as it goes on: what is pinned, what is live, who is heard first
seated      an agent during a replay: its turns, spoken by itself, the tape or the baseline
taped       models, workbenches, memories and executors that ask the tape first
system      a recorded run as a `credit_hooks.replay.System`
front       `Replay`, what users write
"""
