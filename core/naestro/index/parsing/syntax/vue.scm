(script_element (raw_text) @script)
(comment) @comment
