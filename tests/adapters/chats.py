"""A made-up conversation in the form of tau-bench."""

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"zip": "19122"}'}}
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": "Your zip code?"},
    {"role": "user", "content": "19122"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "order 7"},
    {"role": "assistant", "content": "It is order 7."},
    {"role": "user", "content": "###STOP###"},
]


def trial(number=0, reward=1.0, instruction="You want your order.", **more):
    info = {"task": {"instruction": instruction, "user_id": "u"}}
    return {"task_id": 3, "trial": number, "reward": reward, "info": info, "traj": TALK, **more}
