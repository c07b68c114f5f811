"""Every span attribute name, once: OpenTelemetry GenAI, OpenInference, and our own under `credit.`.

Sources: semantic-conventions-genai (gen-ai-spans, gen-ai-agent-spans; all "Development"), OpenInference
`semantic_conventions.md`. Ours never live under `gen_ai.`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

AttributeValue: TypeAlias = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]

# --- OpenTelemetry GenAI ------------------------------------------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_WORKFLOW_NAME: Final = "gen_ai.workflow.name"
GEN_AI_AGENT_NAME: Final = "gen_ai.agent.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_TOOL_NAME: Final = "gen_ai.tool.name"
GEN_AI_TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
GEN_AI_TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
GEN_AI_TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
GEN_AI_TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
ERROR_TYPE: Final = "error.type"

OPERATION_WORKFLOW: Final = "invoke_workflow"
OPERATION_AGENT: Final = "invoke_agent"
OPERATION_CHAT: Final = "chat"
OPERATION_TOOL: Final = "execute_tool"
OPERATION_RETRY: Final = "retry"  # no operation of the standard's: custom values are allowed

# Late outcomes, as a log event: gen-ai-events, with the target extension that Logfire requires.
EVALUATION_EVENT: Final = "gen_ai.evaluation.result"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"
EVALUATION_TARGET: Final = "gen_ai.evaluation.target"
LOG_RECORD_UID: Final = "log.record.uid"

# --- OpenInference ------------------------------------------------------------------------------------------------
OPENINFERENCE_SPAN_KIND: Final = "openinference.span.kind"
INPUT_VALUE: Final = "input.value"
INPUT_MIME_TYPE: Final = "input.mime_type"
OUTPUT_VALUE: Final = "output.value"
OUTPUT_MIME_TYPE: Final = "output.mime_type"
SESSION_ID: Final = "session.id"
AGENT_NAME: Final = "agent.name"
GRAPH_NODE_ID: Final = "graph.node.id"
GRAPH_NODE_PARENT_ID: Final = "graph.node.parent_id"
LLM_MODEL_NAME: Final = "llm.model_name"
LLM_TOKEN_COUNT_PROMPT: Final = "llm.token_count.prompt"  # noqa: S105 - a count of tokens, not a secret
LLM_TOKEN_COUNT_COMPLETION: Final = "llm.token_count.completion"  # noqa: S105
TOOL_NAME: Final = "tool.name"

# --- Ours ---------------------------------------------------------------------------------------------------------
CREDIT_RUN_ID: Final = "credit.run.id"
CREDIT_SCHEMA_VERSION: Final = "credit.schema_version"
CREDIT_FRAMEWORK: Final = "credit.framework"
CREDIT_RUN_STATUS: Final = "credit.run.status"
CREDIT_TASK_ID: Final = "credit.task.id"
CREDIT_GROUP_ID: Final = "credit.group.id"
CREDIT_ANSWER_ID: Final = "credit.answer.id"
CREDIT_STEP_STATUS: Final = "credit.step.status"
CREDIT_ACTOR_ID: Final = "credit.actor.id"
CREDIT_ACTOR_KIND: Final = "credit.actor.kind"
CREDIT_READS_BASE: Final = "credit.reads.base"
CREDIT_READS_NEW: Final = "credit.reads.new"
CREDIT_READS_DROPPED: Final = "credit.reads.dropped"
CREDIT_READS_COUNT: Final = "credit.reads.count"
CREDIT_SCHEDULED_BY: Final = "credit.scheduled_by"
CREDIT_WRITES: Final = "credit.writes"
CREDIT_WRITES_INDEX: Final = "credit.writes.index"
CREDIT_WRITES_ROLE: Final = "credit.writes.role"
CREDIT_WRITES_AUTHOR: Final = "credit.writes.author"
CREDIT_WRITES_CHANNEL: Final = "credit.writes.channel"
CREDIT_WRITES_SHA256: Final = "credit.writes.sha256"
CREDIT_WRITES_LENGTH: Final = "credit.writes.length"
CREDIT_WRITES_TIME: Final = "credit.writes.time"
CREDIT_WRITES_STEP: Final = "credit.writes.step"
CREDIT_WRITES_PARENTS: Final = "credit.writes.parents"
CREDIT_GENERATES: Final = "credit.generates"
CREDIT_ACTORS: Final = "credit.actors"
CREDIT_REMOVES: Final = "credit.removes"
CREDIT_TRUNCATED: Final = "credit.truncated"
CREDIT_RESUMES: Final = "credit.resumes"

CREDIT_STATUS: Final = "credit.status"
CREDIT_OUTCOME: Final = "credit.outcome"
CREDIT_SUCCESS: Final = "credit.success"
CREDIT_BASELINE: Final = "credit.baseline"
CREDIT_TOTAL: Final = "credit.total"
CREDIT_UNASSIGNED: Final = "credit.unassigned"
CREDIT_METHOD: Final = "credit.method"
CREDIT_EVALUATIONS: Final = "credit.evaluations"
CREDIT_EVIDENCE: Final = "credit.evidence"
CREDIT_CONVICTION: Final = "credit.conviction"
CREDIT_LOW_EVIDENCE: Final = "credit.low_evidence"
CREDIT_FIRST_ERROR: Final = "credit.first_error"
CREDIT_REWARD: Final = "credit.reward"
CREDIT_REWARDS: Final = "credit.rewards"
CREDIT_STD_ERR: Final = "credit.std_err"
CREDIT_AGENT_CREDIT: Final = "credit.agent.credit"

# On the spans of triage: an answer that was retried, or an agent that was told a critique of an earlier run.
CREDIT_RETRY_SIGNALS: Final = "credit.retry.signals"
CREDIT_RETRY_BEFORE: Final = "credit.retry.severity.before"
CREDIT_RETRY_AFTER: Final = "credit.retry.severity.after"
CREDIT_RETRY_END: Final = "credit.retry.end"
CREDIT_RETRY_TOKENS: Final = "credit.retry.tokens"

# On metrics only.
CREDIT_SIGN: Final = "credit.sign"
CREDIT_REASON: Final = "credit.reason"
CREDIT_STAGE: Final = "credit.stage"

# LangGraph's own coordinates of a task, as its callbacks state them.
LANGGRAPH_NODE: Final = "langgraph.node"
LANGGRAPH_STEP: Final = "langgraph.step"
LANGGRAPH_CHECKPOINT_NS: Final = "langgraph.checkpoint_ns"
LANGGRAPH_TRIGGERS: Final = "langgraph.triggers"
LANGGRAPH_THREAD_ID: Final = "langgraph.thread_id"

# AutoGen: ids of the messages that a member's buffer held when its turn began.
AUTOGEN_DELIVERED: Final = "autogen.delivered"
