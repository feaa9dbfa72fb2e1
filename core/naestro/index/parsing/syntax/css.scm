(rule_set (selectors) @name) @definition.rule
(keyframes_statement (keyframes_name) @name) @definition.keyframes
(media_statement . (_) @name) @definition.media

(comment) @comment

(import_statement [(string_value) @import (call_expression (arguments (_) @import))])
