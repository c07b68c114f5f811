"""Replay of AutoGen runs: a memo tape under a fresh team.

recording   what went into and came out of turns, models, tools, memories and executors, taken by reference
keys        when are two inputs the same
places      every team and agent inside a runner, by path
index       a recorded run by place: messages, the tape, players
rules       which tools may be called again
course      one replay as it goes on: which turns the baseline speaks, what is pinned, what is live
taped       models, workbenches, memories and executors that ask the tape first
system      a recorded run as a `credit_hooks.replay.System`
front       `Replay`, what users write
"""
