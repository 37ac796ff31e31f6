-- The conditions are those of kstatus: Stalled wants somebody to act, Ready says that what is asked for stands. A status
-- that speaks of an earlier generation says nothing about this one.
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator" }
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready, stalled = conditions.Ready, conditions.Stalled
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.reason .. ": " .. stalled.message }
end
if ready == nil then
  return { status = "Progressing", message = "Waiting for the operator" }
end
local message = ready.reason .. ": " .. ready.message
if ready.status ~= "True" then
  return { status = "Progressing", message = message }
end
-- Suspended, expired, or waiting for a first sign-in is what Git asks for: no sync may wait for another state.
return { status = "Healthy", message = message }
