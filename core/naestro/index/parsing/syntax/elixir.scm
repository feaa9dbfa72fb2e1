(call target: (identifier) @by (arguments . (alias) @name.maybe)) @definition.module.maybe
(call target: (identifier) @by (arguments . [
  (call target: (identifier) @name.maybe)
  (identifier) @name.maybe
  (binary_operator left: (call target: (identifier) @name.maybe))])) @definition.function.maybe

(comment) @comment
(quoted_content) @hidden

(call target: (identifier) @by (arguments . (alias) @import.maybe))
