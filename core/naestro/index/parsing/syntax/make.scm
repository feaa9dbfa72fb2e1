(makefile (variable_assignment name: (word) @name) @definition.variable)
(makefile (rule (targets . (word) @name)) @definition.target)
(define_directive name: (word) @name) @definition.function

(comment) @comment

(include_directive filenames: (list (word) @import))
