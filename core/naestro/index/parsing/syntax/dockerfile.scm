(from_instruction as: (image_alias) @name) @definition.stage

(comment) @comment

(from_instruction (image_spec) @import)
