-- Any value that was not there before asks for a resend.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["enrol.dev/resend-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
