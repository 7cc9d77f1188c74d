#include "gateway/config_keys.h"

#include "gateway/config_draft.h"

#include <string.h>

/* Does not compile when the member has another type than its key's loader stores. */
#define PLACE(type, member, member_type)                                                           \
    _Generic(((type *) 0)->member, member_type : offsetof(type, member))

#define IN_CONFIG(member, type) .base = BASE_CONFIG, .offset = PLACE(struct config, member, type)
#define IN_DRAFT(member, type) .base = BASE_DRAFT, .offset = PLACE(struct draft, member, type)
#define IN_KEY(member, type) .base = BASE_KEY, .offset = PLACE(struct draft_key, member, type)
#define IN_UPSTREAM(member, type)                                                                  \
    .base = BASE_UPSTREAM, .offset = PLACE(struct draft_upstream, member, type)
#define IN_MODEL(member, type) .base = BASE_MODEL, .offset = PLACE(struct draft_model, member, type)
#define IN_TASK(member, type) .base = BASE_TASK, .offset = PLACE(struct draft_task, member, type)
#define ITEMS(base, type) .item_base = base, .item_bytes = sizeof(type)
#define RANGE(low, high) .min = (low), .max = (high)

#define TEXT const char *
#define TEXTS const char *const *

/* In the units of the values: microseconds and bytes. */
#define MS 1e3
#define HOUR 3600e6
#define KIB 1024.0
#define MIB (1024.0 * KIB)
#define GIB (1024.0 * MIB)

/* Enums are stored as their words' unsigned values. */
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "stored as unsigned");
_Static_assert(sizeof(enum on_abandon) == sizeof(unsigned), "stored as unsigned");
_Static_assert(sizeof(enum draft_usage) == sizeof(unsigned), "stored as unsigned");
_Static_assert(sizeof(enum draft_compress) == sizeof(unsigned), "stored as unsigned");
_Static_assert(sizeof(enum draft_tools) == sizeof(unsigned), "stored as unsigned");
_Static_assert(sizeof(enum answer_kind) == sizeof(unsigned), "stored as unsigned");

static const struct config_word log_levels[] = {
    {"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}, {NULL, 0}};

static const struct config_word compress_words[] = {
    {"json", DRAFT_COMPRESS_JSON}, {"streams", DRAFT_COMPRESS_STREAMS}, {NULL, 0}};

static const struct config_word usage_words[] = {
    {"client", DRAFT_USAGE_CLIENT}, {"sum", DRAFT_USAGE_SUM}, {NULL, 0}};

static const struct config_word abandon_words[] = {
    {"abort", ON_ABANDON_ABORT}, {"drain", ON_ABANDON_DRAIN}, {NULL, 0}};

static const struct config_word capability_words[] = {
    {"tools", CAPABILITY_TOOLS},
    {"vision", CAPABILITY_VISION},
    {"audio", CAPABILITY_AUDIO},
    {"json_schema", CAPABILITY_JSON_SCHEMA},
    {"logprobs", CAPABILITY_LOGPROBS},
    {"no_system", CAPABILITY_NO_SYSTEM},
    {"embeddings", CAPABILITY_EMBEDDINGS},
    {"max_completion_tokens", CAPABILITY_MAX_COMPLETION_TOKENS},
    {NULL, 0}};

static const struct config_word rule_words[] = {{"tools", TASK_RULE_TOOLS},
                                                {"json_schema", TASK_RULE_JSON_SCHEMA},
                                                {"code", TASK_RULE_CODE},
                                                {"images", TASK_RULE_IMAGES},
                                                {NULL, 0}};

static const struct config_word tools_words[] = {
    {"single", DRAFT_TOOLS_SINGLE}, {"graph", DRAFT_TOOLS_GRAPH}, {NULL, 0}};

static const struct config_word answer_words[] = {{"auto", ANSWER_AUTO},
                                                  {"boxed", ANSWER_BOXED},
                                                  {"choice", ANSWER_CHOICE},
                                                  {"number", ANSWER_NUMBER},
                                                  {"json", ANSWER_JSON},
                                                  {"plain", ANSWER_PLAIN},
                                                  {NULL, 0}};

/* clang-format off */
static const struct config_key table[] = {
    {.path = "listen", .type = KEY_ADDRESS, IN_CONFIG(listen_text, TEXT), .value = "127.0.0.1:8080",
     .help = "Address of the public endpoint: HOST:PORT, :PORT for all addresses, or unix:PATH."},
    {.path = "admin", .type = KEY_ADDRESS, IN_CONFIG(admin_text, TEXT),
     .otherwise = "no admin endpoint", .example = "unix:/run/sluice/admin.sock",
     .help = "Address of the admin endpoint: metrics, reload. A unix socket has mode 0600; a TCP "
             "address gives reading only, changes there need admin_token_env."},
    {.path = "admin_token_env", .type = KEY_ENV, IN_DRAFT(admin_token_env, TEXT), .is_secret = true,
     .otherwise = "no changes over TCP", .example = "SLUICE_ADMIN_TOKEN",
     .help = "Environment variable with the bearer token for changes by way of a TCP admin address."},
    {.path = "workers", .type = KEY_COUNT, IN_CONFIG(workers, unsigned), .value = "1", RANGE(0, 64),
     .help = "Threads that serve; 0: one per CPU. One serves more than most models can answer."},
    {.path = "data", .type = KEY_PATH, IN_CONFIG(data, TEXT),
     .otherwise = "nothing is remembered", .example = "/var/lib/sluice",
     .help = "Directory of what is kept over a restart. Paths, those of sockets too, may be relative "
             "to the directory of this file."},

    {.path = "tls", .type = KEY_GROUP, .otherwise = "plain HTTP",
     .help = "TLS 1.2 or newer on the public endpoint. Both files are read again on reload."},
    {.path = "tls.cert", .type = KEY_PATH, IN_CONFIG(tls_cert, TEXT), .is_required = true,
     .example = "cert.pem", .help = "Certificate chain, PEM, the server's own first."},
    {.path = "tls.key", .type = KEY_PATH, IN_CONFIG(tls_key, TEXT), .is_required = true,
     .example = "key.pem", .help = "Its private key, PEM, RSA or EC."},

    {.path = "keys", .type = KEY_LIST, IN_DRAFT(keys, struct draft_list), RANGE(1, 4096),
     ITEMS(BASE_KEY, struct draft_key), .otherwise = "no keys, for a loopback address only",
     .help = "API keys that clients send as `Authorization: Bearer KEY`. Without any, only a loopback "
             "address may be listened on, and web pages (requests with an Origin) are refused."},
    {.path = "keys[].name", .type = KEY_NAME, IN_KEY(name, TEXT), .is_required = true,
     .example = "app1", .help = "What logs call it."},
    {.path = "keys[].sha256", .type = KEY_SHA256, IN_KEY(sha256, TEXT), .is_secret = true,
     .otherwise = "token_env is needed",
     .example = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
     .help = "SHA-256 of the key in hex: printf %s KEY | sha256sum"},
    {.path = "keys[].token_env", .type = KEY_ENV, IN_KEY(token_env, TEXT), .is_secret = true,
     .otherwise = "sha256 is needed", .example = "APP1_KEY",
     .help = "Instead of sha256: environment variable with the key itself."},
    {.path = "keys[].requests_per_minute", .type = KEY_COUNT,
     IN_KEY(limits.requests_per_minute, unsigned), .value = "0", RANGE(0, 1e9),
     .example = "600", .help = "Further ones get 429 and a time to retry; 0: no limit."},
    {.path = "keys[].tokens_per_minute", .type = KEY_COUNT,
     IN_KEY(limits.tokens_per_minute, unsigned), .value = "0", RANGE(0, 1e9), .example = "200000",
     .help = "Prompt and completion, estimated first, corrected by the answer's usage; 0: no limit."},
    {.path = "keys[].max_in_flight", .type = KEY_COUNT, IN_KEY(limits.max_in_flight, unsigned),
     .value = "0", RANGE(0, 1e6), .example = "64", .help = "Requests at once; 0: no limit."},
    {.path = "keys[].allow", .type = KEY_CLIENT_NAMES, IN_KEY(allow, TEXTS), RANGE(1, 1024),
     .otherwise = "all", .example = "[auto]",
     .help = "Model names, as clients send them, that it may use."},
    {.path = "keys[].usage", .type = KEY_WORD, IN_KEY(usage, enum draft_usage), .value = "client",
     .words = usage_words,
     .help = "What `usage` of a graph's answer counts: the client's own prompt and the answer that it got, or "
             "the sum of all calls. The key's limits are charged with the sum, which usage.sluice says, too."},

    {.path = "limits", .type = KEY_GROUP, .help = "Bounds of what one client can make us hold."},
    {.path = "limits.body", .type = KEY_SIZE, IN_CONFIG(limits.body_bytes, size_t),
     .value = "32MiB", RANGE(KIB, GIB),
     .help = "A request's body, unpacked, and a whole JSON answer of an upstream."},
    {.path = "limits.answer", .type = KEY_SIZE, IN_CONFIG(limits.answer_bytes, size_t),
     .value = "1MiB", RANGE(4 * KIB, 256 * MIB),
     .help = "One event of an upstream's stream, and what is held before the first content."},
    {.path = "limits.stream_buffer", .type = KEY_SIZE, IN_CONFIG(limits.stream_buffer_bytes, size_t),
     .value = "64KiB", RANGE(4 * KIB, 64 * MIB),
     .help = "Bytes that wait for a slow client before its upstream is paused."},
    {.path = "limits.connections", .type = KEY_COUNT, IN_CONFIG(limits.connections, unsigned),
     .value = "10000", RANGE(1, 1e6),
     .help = "Open at once per worker; further ones wait in the kernel."},

    {.path = "timeouts", .type = KEY_GROUP, .help = "How long clients may take."},
    {.path = "timeouts.handshake", .type = KEY_DURATION, IN_CONFIG(timeouts.handshake_us, uint64_t),
     .value = "10s", RANGE(MS, HOUR), .help = "The TLS handshake."},
    {.path = "timeouts.head", .type = KEY_DURATION, IN_CONFIG(timeouts.head_us, uint64_t),
     .value = "10s", RANGE(MS, HOUR), .help = "From a request's first byte to the end of its head."},
    {.path = "timeouts.body", .type = KEY_DURATION, IN_CONFIG(timeouts.body_us, uint64_t),
     .value = "30s", RANGE(MS, HOUR), .help = "Between the bytes of a request's body."},
    {.path = "timeouts.keep_alive", .type = KEY_DURATION,
     IN_CONFIG(timeouts.keep_alive_us, uint64_t), .value = "75s", RANGE(MS, 24 * HOUR),
     .help = "Between the requests of a connection."},
    {.path = "timeouts.send", .type = KEY_DURATION, IN_CONFIG(timeouts.send_us, uint64_t),
     .value = "60s", RANGE(MS, HOUR),
     .help = "A client that takes no byte of its answer for so long is gone."},
    {.path = "timeouts.request", .type = KEY_DURATION, IN_CONFIG(timeouts.request_us, uint64_t),
     .value = "600s", RANGE(MS, 24 * HOUR), .help = "A whole request, retries and all, of tasks without a deadline."},

    {.path = "heartbeat", .type = KEY_GROUP, .can_be_off = true,
     .help = "Comments that keep a silent stream alive; `heartbeat: off` sends none."},
    {.path = "heartbeat.first", .type = KEY_DURATION, IN_CONFIG(heartbeat_first_us, uint64_t),
     .value = "15s", RANGE(MS, HOUR),
     .help = "Before the first one. It commits the status: until then a failure is an HTTP error."},
    {.path = "heartbeat.every", .type = KEY_DURATION, IN_CONFIG(heartbeat_every_us, uint64_t),
     .value = "15s", RANGE(MS, HOUR), .help = "Between the following ones."},

    {.path = "drain", .type = KEY_DURATION, IN_CONFIG(drain_us, uint64_t), .value = "30s",
     RANGE(0, 24 * HOUR),
     .help = "After SIGTERM, how long requests under way may go on."},
    {.path = "cors", .type = KEY_ORIGINS, IN_CONFIG(cors, TEXTS), RANGE(1, 256),
     .otherwise = "no web pages", .example = "[\"https://app.example\"]",
     .help = "Origins of web pages that may call the endpoint; [\"*\"]: any."},
    {.path = "compress", .type = KEY_WORD, IN_DRAFT(compress, enum draft_compress), .value = "json",
     .words = compress_words,
     .help = "What is packed by gzip for clients that accept it: JSON answers of at least 1 KiB, or "
             "also event streams, at a cost in memory for each."},

    {.path = "log", .type = KEY_GROUP, .help = "One line of key=value pairs an event."},
    {.path = "log.level", .type = KEY_WORD, IN_CONFIG(log_level, enum log_level), .value = "info",
     .words = log_levels, .help = "The least important lines that are written."},
    {.path = "log.file", .type = KEY_PATH, IN_CONFIG(log_file, TEXT),
     .otherwise = "standard error", .example = "/var/log/sluice.log",
     .help = "Opened again at SIGUSR1."},
    {.path = "log.access", .type = KEY_BOOL, IN_CONFIG(log_access, bool), .value = "true",
     .help = "A line for every request."},

    {.path = "upstreams", .type = KEY_LIST, IN_DRAFT(upstreams, struct draft_list), RANGE(1, 256),
     ITEMS(BASE_UPSTREAM, struct draft_upstream), .is_required = true,
     .help = "Servers of models that speak the OpenAI dialect."},
    {.path = "upstreams[].name", .type = KEY_NAME, IN_UPSTREAM(def.name, TEXT), .is_required = true,
     .example = "local", .help = "What models, logs and metrics call it."},
    {.path = "upstreams[].url", .type = KEY_URL, IN_UPSTREAM(def.url, TEXT), .is_required = true,
     .is_secret = true, .example = "http://127.0.0.1:11434/v1",
     .help = "Base URL, http or https, without a slash at its end."},
    {.path = "upstreams[].key_env", .type = KEY_ENV, IN_UPSTREAM(key_env, TEXT), .is_secret = true,
     .otherwise = "no key is sent", .example = "LOCAL_API_KEY",
     .help = "Environment variable with the key for it."},
    {.path = "upstreams[].key_file", .type = KEY_PATH, IN_UPSTREAM(key_file, TEXT), .is_secret = true,
     .otherwise = "no key is sent", .example = "/etc/sluice/local.key",
     .help = "Instead of key_env: file with the key for it in its first line."},
    {.path = "upstreams[].ca", .type = KEY_PATH, IN_UPSTREAM(def.ca, TEXT),
     .otherwise = "the system's", .example = "ca.pem",
     .help = "CA certificates, PEM, that its certificate is checked against."},
    {.path = "upstreams[].max_in_flight", .type = KEY_COUNT,
     IN_UPSTREAM(def.max_in_flight, unsigned), .value = "64", RANGE(1, 1e6),
     .help = "Requests at once, of all workers together: the slots that it really has."},
    {.path = "upstreams[].queue", .type = KEY_COUNT, IN_UPSTREAM(def.queue, unsigned),
     RANGE(0, 1e6), .otherwise = "4 times max_in_flight", .example = "256",
     .help = "Requests that may wait for a slot."},
    {.path = "upstreams[].timeouts", .type = KEY_GROUP, .help = "How long it may take."},
    {.path = "upstreams[].timeouts.connect", .type = KEY_DURATION,
     IN_UPSTREAM(def.timeouts.connect_us, uint64_t), .value = "5s", RANGE(MS, HOUR),
     .help = "Name, TCP and TLS."},
    {.path = "upstreams[].timeouts.first_token", .type = KEY_DURATION,
     IN_UPSTREAM(def.timeouts.first_token_us, uint64_t), .value = "60s", RANGE(MS, 24 * HOUR),
     .help = "From the request sent to the first content."},
    {.path = "upstreams[].timeouts.idle", .type = KEY_DURATION,
     IN_UPSTREAM(def.timeouts.idle_us, uint64_t), .value = "30s", RANGE(MS, 24 * HOUR),
     .help = "Between bytes after that."},
    {.path = "upstreams[].timeouts.total", .type = KEY_DURATION,
     IN_UPSTREAM(def.timeouts.total_us, uint64_t), .value = "600s", RANGE(MS, 24 * HOUR),
     .help = "One attempt as a whole."},
    {.path = "upstreams[].retries", .type = KEY_COUNT, IN_UPSTREAM(def.retries, unsigned),
     .value = "2", RANGE(0, 10), .help = "Further attempts after a failure, before any content."},
    {.path = "upstreams[].on_abandon", .type = KEY_WORD,
     IN_UPSTREAM(def.on_abandon, enum on_abandon), .value = "abort", .words = abandon_words,
     .help = "When a client leaves: close the connection, or (for servers that crash on a cut) read "
             "the rest."},
    {.path = "upstreams[].loads", .type = KEY_WORD, .is_later = true},

    {.path = "models", .type = KEY_LIST, IN_DRAFT(models, struct draft_list), RANGE(1, 1024),
     ITEMS(BASE_MODEL, struct draft_model), .is_required = true,
     .help = "The models of the upstreams. A task without a graph is served by the one with the most "
             "params, then the cheaper, then the first, within its budget and data."},
    {.path = "models[].name", .type = KEY_MODEL_NAME, IN_MODEL(def.name, TEXT), .is_required = true,
     .example = "llama-3.2-1b", .help = "What clients ask for."},
    {.path = "models[].upstream", .type = KEY_NAME, IN_MODEL(upstream, TEXT), .is_required = true,
     .example = "local", .help = "Name of the upstream that has it."},
    {.path = "models[].id", .type = KEY_TEXT, IN_MODEL(def.id, TEXT), .otherwise = "the name",
     .example = "llama3.2:1b", .help = "What the upstream calls it."},
    {.path = "models[].family", .type = KEY_NAME, .is_later = true},
    {.path = "models[].params", .type = KEY_NUMBER, IN_MODEL(def.params, double), .value = "0",
     RANGE(0, 1e15), .example = "1e9", .help = "Number of parameters; 0: unknown. The largest model is a task's champion where no graph is written."},
    {.path = "models[].layers", .type = KEY_COUNT, IN_MODEL(def.layers, unsigned), .value = "0",
     RANGE(0, 1e5), .example = "16", .help = "Number of layers; 0: unknown, as is what the model costs in flops."},
    {.path = "models[].hidden", .type = KEY_COUNT, IN_MODEL(def.hidden, unsigned), .value = "0",
     RANGE(0, 1e7), .example = "2048", .help = "Width of a layer; 0: unknown, too."},
    {.path = "models[].price", .type = KEY_GROUP, .help = "Dollars per million tokens."},
    {.path = "models[].price.input", .type = KEY_NUMBER, IN_MODEL(def.usd_per_mtok_input, double),
     .value = "0", RANGE(0, 1e6), .example = "0.05", .help = "Of prompts."},
    {.path = "models[].price.cached", .type = KEY_NUMBER,
     IN_MODEL(def.usd_per_mtok_cached, double), RANGE(0, 1e6), .otherwise = "as input",
     .example = "0.025", .help = "Of the part of prompts that the upstream had in its cache."},
    {.path = "models[].price.output", .type = KEY_NUMBER,
     IN_MODEL(def.usd_per_mtok_output, double), .value = "0", RANGE(0, 1e6), .example = "0.10",
     .help = "Of completions."},
    {.path = "models[].speed", .type = KEY_GROUP, .otherwise = "not known before the first calls",
     .help = "What is expected of it until calls have been measured: for the latency that check predicts "
             "and for the deadlines of the nodes of a graph."},
    {.path = "models[].speed.first", .type = KEY_DURATION, IN_MODEL(def.first_token_us, uint64_t),
     RANGE(MS, HOUR), .is_required = true, .example = "300ms", .help = "Until the first token."},
    {.path = "models[].speed.token", .type = KEY_DURATION, IN_MODEL(def.token_us, uint64_t),
     RANGE(MS, HOUR), .is_required = true, .example = "20ms", .help = "For each token of an answer."},
    {.path = "models[].context", .type = KEY_COUNT64, IN_MODEL(def.context, uint64_t),
     .value = "0", RANGE(0, 1e9), .example = "131072",
     .help = "Tokens of prompt and completion together; 0: unknown. A request that is too long for a "
             "model of its graph runs as one call; what is too long for that, the upstream judges."},
    {.path = "models[].capabilities", .type = KEY_FLAGS, IN_MODEL(def.capabilities, unsigned),
     .words = capability_words, .otherwise = "plain chat", .example = "[tools]",
     .help = "What it can besides plain chat. A request that needs what a model of its graph lacks runs as "
             "one call. embeddings alone: answers no chat. no_system: refuses system messages. "
             "max_completion_tokens: wants this spelling of max_tokens."},
    {.path = "models[].fallback", .type = KEY_CLIENT_NAME, IN_MODEL(fallback, TEXT),
     .otherwise = "none", .example = "llama-3.2-3b",
     .help = "The model that answers when this one fails before any content."},

    {.path = "aliases", .type = KEY_PAIRS, IN_DRAFT(aliases, struct draft_list), RANGE(1, 1024),
     .otherwise = "none", .example = "{gpt-4o: auto}",
     .help = "Other names for models, for applications with a hard-coded one."},

    {.path = "graphs", .type = KEY_FILES, IN_DRAFT(graphs, struct draft_list), RANGE(1, 256),
     .otherwise = "none", .example = "{panel: panel.graph.json}",
     .help = "Files of graphs, in which several models answer together; clients ask for graph/NAME."},

    {.path = "tasks", .type = KEY_LIST, IN_DRAFT(tasks, struct draft_list), RANGE(1, 64),
     ITEMS(BASE_TASK, struct draft_task), .otherwise = "only the task default",
     .help = "Classes of requests, each answered by a graph or model of its own. Clients ask for "
             "auto/TASK, or for auto, and what the request says decides. What fits nowhere is the task "
             "default's, which may stand here too."},
    {.path = "tasks[].name", .type = KEY_NAME, IN_TASK(def.name, TEXT), .is_required = true,
     .example = "math", .help = "What clients, logs and metrics call it."},
    {.path = "tasks[].match", .type = KEY_GROUP,
     .help = "Which requests for auto it answers. The header goes before the rest; any rule or text is "
             "enough, and the first task in this file counts; then the examples."},
    {.path = "tasks[].match.header", .type = KEY_NAME, IN_TASK(def.match.header, TEXT),
     .otherwise = "the name", .example = "math", .help = "Value of the header x-sluice-task that names it."},
    {.path = "tasks[].match.rules", .type = KEY_FLAGS, IN_TASK(def.match.rules, unsigned),
     .words = rule_words, .otherwise = "none", .example = "[code]",
     .help = "What a request carries: tools, a JSON response format, a fence of code in its last user "
             "message, images."},
    {.path = "tasks[].match.any", .type = KEY_TEXTS, IN_TASK(def.match.any, TEXTS), RANGE(1, 64),
     .otherwise = "none", .example = "[\"\\\\boxed\", \"solve for\"]",
     .help = "Texts in the last user message, ASCII letters of either case. Of a message over 64 KiB its "
             "beginning and its end are looked at."},
    {.path = "tasks[].match.examples", .type = KEY_PATH, IN_TASK(examples, TEXT),
     .otherwise = "none", .example = "math-prompts.jsonl",
     .help = "File of prompts that are this task's, from which the classifier learns at start and reload. A "
             "line each: a JSON text, or {\"input\": TEXT or MESSAGES}. Fifty are a good beginning; "
             "another task, default perhaps, needs some too."},
    {.path = "tasks[].graph", .type = KEY_GRAPH, IN_TASK(graph, TEXT), .example = "graph/panel",
     .otherwise = "the best model: most params, then cheaper, then first",
     .help = "What answers it."},
    {.path = "tasks[].budget", .type = KEY_GROUP,
     .help = "What one request may cost, all of these; reckoned with 500 tokens of prompt and 500 of each "
             "answer. What is not known passes."},
    {.path = "tasks[].budget.flops", .type = KEY_NUMBER, IN_TASK(def.budget.units, double),
     RANGE(1e-9, 1e12), .otherwise = "no limit", .example = "18",
     .help = "Floating-point operations, in units of what a model of 1e9 params, 16 layers and hidden 2048 takes."},
    {.path = "tasks[].budget.usd", .type = KEY_NUMBER, IN_TASK(def.budget.usd, double),
     RANGE(1e-12, 1e6), .otherwise = "no limit", .example = "0.002", .help = "Dollars."},
    {.path = "tasks[].budget.seconds", .type = KEY_NUMBER, .is_later = true},
    {.path = "tasks[].data", .type = KEY_NAMES, IN_TASK(data, TEXTS), RANGE(1, 256),
     .otherwise = "those that its graph reaches", .example = "[local]",
     .help = "The only upstreams that its texts may reach. Where written it also holds for requests that "
             "name a model or a graph."},
    {.path = "tasks[].deadline", .type = KEY_DURATION, IN_TASK(def.deadline_us, uint64_t),
     RANGE(MS, 24 * HOUR), .otherwise = "timeouts.request", .example = "120s",
     .help = "A whole request, retries and all."},
    {.path = "tasks[].tools", .type = KEY_WORD, IN_TASK(tools, enum draft_tools), .value = "single",
     .words = tools_words,
     .help = "Requests with tools run as one call of the graph's output model, or through the graph, whose "
             "output alone sees the tools."},
    {.path = "tasks[].prompts", .type = KEY_PATH, IN_TASK(prompts, TEXT),
     .otherwise = "ours", .example = "prompts/math",
     .help = "Directory with templates of its own: improve.txt, fuse.txt, select.txt, each an "
             "instruction, a line --- and a frame with {candidates}."},
    {.path = "tasks[].answer", .type = KEY_WORD, IN_TASK(def.answer, enum answer_kind),
     .value = "auto", .words = answer_words, .help = "How votes compare answers."},
    {.path = "tasks[].max_tokens", .type = KEY_COUNT, IN_TASK(def.node_tokens, unsigned),
     .value = "2048", RANGE(1, 1e6),
     .help = "Cap of an inner node's answer where its graph has none. The output's is the client's."},
    {.path = "tasks[].pass", .type = KEY_TEXTS, IN_TASK(def.pass, TEXTS), RANGE(1, 64),
     .otherwise = "only reasoning_effort", .example = "[top_k]",
     .help = "Further members of a request that inner nodes are sent too."},
    {.path = "tasks[].eval", .type = KEY_PATH, IN_TASK(eval, TEXT), .otherwise = "nothing to measure by",
     .example = "math.jsonl",
     .help = "File of items with right answers, by which `sluice eval` measures graphs: OpenAI evals' JSON "
             "lines, {\"input\": TEXT or MESSAGES, \"ideal\": TEXT or TEXTS}."},
    {.path = "tasks[].grader", .type = KEY_PARAMS, IN_TASK(grader, struct draft_list), RANGE(1, 8),
     .otherwise = "items need their own", .example = "{type: boxed}",
     .help = "How an answer is compared with an item's ideal: a type and its parameters."},
    {.path = "tasks[].objective", .type = KEY_GROUP, .is_later = true},
    {.path = "tasks[].metrics", .type = KEY_GROUP, .is_later = true},
    {.path = "tasks[].keep", .type = KEY_GROUP, .is_later = true},

    {.path = "debug_headers", .type = KEY_BOOL, .is_later = true},
    {.path = "feedback", .type = KEY_GROUP, .is_later = true},
    {.path = "optimizer", .type = KEY_GROUP, .is_later = true},
    {.path = "promotion", .type = KEY_GROUP, .is_later = true},
    {.path = "cache", .type = KEY_GROUP, .is_later = true},
    {.path = "store", .type = KEY_GROUP, .is_later = true},
};
/* clang-format on */

const struct config_key *config_keys(size_t *count)
{
    *count = ARRAY_LEN(table);
    return table;
}

const char *config_key_leaf(const struct config_key *key)
{
    const char *dot = strrchr(key->path, '.');
    return dot ? dot + 1 : key->path;
}

bool config_key_is_in(const struct config_key *key, const char *parent)
{
    const char *leaf = config_key_leaf(key);
    size_t n = strlen(parent);
    if (leaf == key->path) {
        return n == 0;
    }
    return n == (size_t) (leaf - key->path) - 1 && memcmp(key->path, parent, n) == 0;
}

const struct config_key *config_key_find(const char *parent, struct slice leaf)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (config_key_is_in(&table[i], parent) &&
            slice_eq_text(leaf, config_key_leaf(&table[i]))) {
            return &table[i];
        }
    }
    return NULL;
}

const char *config_key_word(const char *parent, const char *leaf, unsigned value)
{
    const struct config_word *word = config_key_find(parent, slice_of(leaf))->words;
    while (word->text && word->value != value) {
        word++;
    }
    return word->text;
}
