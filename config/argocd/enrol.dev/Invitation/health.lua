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
-- Nobody answered: somebody may want to resend it, or to remove it from Git.
if ready.reason == "Expired" then
  return { status = "Degraded", message = message }
end
-- Waiting for a person is no fault, and no sync may wait for one.
return { status = "Healthy", message = message }
