(function_definition name: (word) @name) @definition.function
(program (variable_assignment name: (variable_name) @name) @definition.variable)
(program (declaration_command (variable_assignment name: (variable_name) @name) @definition.variable))

(comment) @comment
[(string_content) (raw_string) (ansi_c_string) (heredoc_body) (heredoc_start) (heredoc_end) (regex)] @hidden

(command name: (command_name) @by argument: [(word) (string) (concatenation)] @import.maybe)
