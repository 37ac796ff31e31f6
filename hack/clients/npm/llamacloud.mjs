// The story of @llamaindex/cloud: users, roles and projects with the client's own methods. Every answer is held against the
// OpenAPI document that the client's package carries.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

import * as cloud from '@llamaindex/cloud/api';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

import { eventually, guest, organization, owner, step, stranger, url } from './story.mjs';

const base = '/api/v1/organizations/{organization_id}';
const published = createRequire(import.meta.url)('@llamaindex/cloud/openapi.json');
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(published, 'published');

/** Wants a body to be what the platform's document says of an operation's status, where it says something. */
function checkPublished(path, method, status, body) {
  const schema = published.paths[path][method].responses[status]?.content?.['application/json']?.schema;
  if (!schema || Object.keys(schema).length === 0) {
    return;
  }
  const at = ['paths', path, method, 'responses', String(status), 'content', 'application/json', 'schema'];
  const pointer = at.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  const validate = ajv.getSchema(`published#/${pointer}`);
  assert.ok(validate(body), `${method} ${path}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(body)}`);
}

/** Calls one of the client's operations and returns what it made of the answer. */
async function call(operation, as, status, { path = {}, ...rest } = {}) {
  const answer = await operation({ baseUrl: url, auth: as.token, path: { organization_id: organization, ...path }, ...rest });
  assert.equal(answer.response.status, status, JSON.stringify(answer.error ?? answer.data));
  const told = answer.error === undefined ? answer.data : answer.error;
  const route = Object.keys(published.paths).find((p) => template(p).test(new URL(answer.request.url).pathname));
  checkPublished(route, answer.request.method.toLowerCase(), status, told);
  return told;
}

/** The pattern of a documented path; a parameter is an id or an address, which no literal segment here is. */
function template(path) {
  return new RegExp(`^${path.replace(/\{[^}]+\}/g, '([^/]*[-%@][^/]*|unknown)')}$`);
}

const users = {
  list: cloud.listOrganizationUsersApiV1OrganizationsOrganizationIdUsersGet,
  add: cloud.addUsersToOrganizationApiV1OrganizationsOrganizationIdUsersPut,
  remove: cloud.removeUsersFromOrganizationApiV1OrganizationsOrganizationIdUsersMemberUserIdDelete,
  removeMany: cloud.batchRemoveUsersFromOrganizationApiV1OrganizationsOrganizationIdUsersRemovePut,
  assignRole: cloud.assignRoleToUserInOrganizationApiV1OrganizationsOrganizationIdUsersRolesPut,
  ownRole: cloud.getUserRoleApiV1OrganizationsOrganizationIdUsersRolesGet,
  projects: cloud.listProjectsByUserApiV1OrganizationsOrganizationIdUsersUserIdProjectsGet,
  addProject: cloud.addUserToProjectApiV1OrganizationsOrganizationIdUsersUserIdProjectsPut,
  removeProject: cloud.removeUserFromProjectApiV1OrganizationsOrganizationIdUsersUserIdProjectsProjectIdDelete,
};
const listRoles = cloud.listRolesApiV1OrganizationsOrganizationIdRolesGet;

const addresses = async (as) => (await call(users.list, as, 200)).map((u) => u.email).sort();
const projectsOf = async (id) => call(users.projects, owner, 200, { path: { user_id: id } });

const roles = await step('the roles on offer', async () => {
  const all = await call(listRoles, owner, 200);
  assert.deepEqual(all.map((role) => role.name), ['owner', 'admin', 'developer', 'billing-admin', 'viewer']);
  const [ownerRole] = all;
  assert.ok(ownerRole.permissions.length > 0 && ownerRole.permissions.some((p) => p.access));
  return Object.fromEntries(all.map((role) => [role.name, role.id]));
});

const [web, data] = await step('the owner is the only user, has every project, and the role owner', async () => {
  const [only, ...others] = await call(users.list, owner, 200);
  assert.equal(others.length, 0);
  assert.equal(only.email, owner.email);
  assert.equal(only.organization_id, organization);
  assert.equal(only.pending, false);
  assert.equal(only.roles[0].role.name, 'owner');
  assert.equal((await call(users.ownRole, owner, 200)).role.name, 'owner');
  const projects = await projectsOf(owner.email);
  assert.equal(projects.length, 2);
  return ['web', 'data'].map((name) => projects.find((p) => p.name.endsWith(`-${name}`)));
});

const rows = [
  { email: guest.email, user_id: guest.email, project_ids: [web.id], role_id: roles.developer },
  { email: 'pending@example.org', project_ids: null },
  { user_id: 'build-robot', project_ids: [], role_id: roles.viewer },
];

const added = await step('the owner adds three users, who come back in order', async () => {
  const got = await call(users.add, owner, 200, { body: rows });
  assert.deepEqual(got.map((u) => [u.user_id, u.pending]), [[guest.email, false], [null, true], ['build-robot', false]]);
  assert.deepEqual(got.map((u) => u.roles.map((r) => r.role.name)), [['developer'], ['viewer'], ['viewer']]);
  assert.deepEqual(got.map((u) => u.roles[0].project_ids), [[web.id], null, []]);
  assert.ok(got.every((u) => u.invited_by_user_email === owner.email));
  return got;
});

await step('the same again changes nothing', async () => {
  assert.deepEqual((await call(users.add, owner, 200, { body: rows })).map((u) => u.id), added.map((u) => u.id));
  assert.equal((await call(users.list, owner, 200)).length, 4);
});

await step('a row without projects, and one with an unknown role, are refused where they are', async () => {
  const { detail } = await call(users.add, owner, 422, {
    body: [rows[0], { email: 'a@example.org' }, { email: 'b@example.org', project_ids: null, role_id: organization }],
  });
  assert.deepEqual(detail.map((d) => [d.loc, d.type]), [[['body', 1, 'project_ids'], 'missing'], [['body', 2, 'role_id'], 'value_error']]);
});

await step('a stranger finds nothing, and nobody is asked to sign in', async () => {
  const { detail } = await call(users.list, stranger, 404);
  assert.equal(typeof detail, 'string');
  await call(users.add, stranger, 404, { body: rows });
  await call(users.list, { token: 'nonsense' }, 401);
});

await step('the guest is a developer, who may look and not add', async () => {
  await eventually(async () => {
    const role = await call(users.ownRole, guest, 200);
    assert.equal(role?.role.name, 'developer');
    assert.equal((await addresses(guest)).length, 4);
  });
  await call(users.add, guest, 403, { body: [{ email: 'c@example.org', project_ids: null }] });
});

await step('projects come and go', async () => {
  const of = { path: { user_id: guest.email }, query: { project_id: data.id } };
  assert.deepEqual((await projectsOf(guest.email)).map((p) => p.id), [web.id]);
  await call(users.addProject, owner, 200, of);
  assert.deepEqual((await projectsOf(guest.email)).map((p) => p.id).sort(), [web.id, data.id].sort());
  await call(users.removeProject, owner, 200, { path: { user_id: guest.email, project_id: web.id } });
  assert.deepEqual((await projectsOf(guest.email)).map((p) => p.id), [data.id]);
  await call(users.addProject, owner, 422, { path: { user_id: guest.email } });
  await call(users.remove, owner, 204, { path: { member_user_id: guest.email }, body: [data.id] });
  assert.deepEqual(await projectsOf(guest.email), []);
});

await step('the owner makes the guest an admin of every project', async () => {
  const body = { user_id: guest.email, organization_id: organization, role_id: roles.admin };
  const role = await call(users.assignRole, owner, 200, { body });
  assert.deepEqual([role.user_id, role.role.id], [guest.email, roles.admin]);
  await call(users.add, owner, 200, { body: [{ user_id: guest.email, project_ids: null }] });
  assert.equal((await call(users.ownRole, guest, 200)).role.name, 'admin');
  await call(users.assignRole, owner, 404, { body: { ...body, user_id: 'unknown' } });
  await call(users.assignRole, owner, 422, { body: { ...body, role_id: organization } });
});

await step('users are removed, one and many', async () => {
  await call(users.remove, owner, 204, { path: { member_user_id: 'build-robot' } });
  await call(users.remove, owner, 404, { path: { member_user_id: 'build-robot' } });
  await call(users.removeMany, owner, 204, { body: [{ email: 'pending@example.org' }, { user_id: 'never-seen' }] });
  assert.deepEqual(await addresses(owner), [owner.email, guest.email].sort());
});

await step('the last owner stays', () => call(users.remove, owner, 409, { path: { member_user_id: owner.email } }));
