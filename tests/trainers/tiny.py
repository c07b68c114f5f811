"""A random Llama of a few thousand weights and a tokenizer, made on the spot: no hub, no download."""

import json
import tempfile

CHATML = (
    "{%- if tools %}{{- '<|im_start|>tools\n' + (tools | tojson) + '<|im_end|>\n' }}{%- endif %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'assistant' %}{{- '<|im_start|>assistant\n' }}{% generation %}{{- m.content }}"
    "{%- for call in m.tool_calls or [] %}{{- '<tool_call>' + (call.function | tojson) + '</tool_call>' }}{%- endfor %}"
    "{{- '<|im_end|>' }}{% endgeneration %}{{- '\n' }}"
    "{%- else %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)


def tokenizer_of(rows):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    made.train_from_iterator([json.dumps(row) for row in rows], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = CHATML
    return tokenizer


def model_of(tokenizer, seed=0, reward_model=False):
    """A new model; language models are saved first, as DPO, KTO and RLOO load their reference by its path."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    if reward_model:
        config.num_labels = 1
        return LlamaForSequenceClassification(config)
    folder = tempfile.mkdtemp(prefix="tiny-llama-")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return LlamaForCausalLM.from_pretrained(folder)


def log_probability(model, tokenizer, row):
    """Mean log-probability per token of a row's completion after its prompt."""
    import torch

    options = {"tools": row["tools"] or None, "tokenize": True, "return_dict": True}
    before = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, **options)["input_ids"]
    whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], **options)["input_ids"]
    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([whole])).logits[0, :-1].float(), -1)
    return scores[range(len(whole) - 1), whole[1:]][len(before) - 1 :].mean().item()
