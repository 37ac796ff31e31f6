// The story of @llamaindex/llama-cloud: it has no methods for organisations, but sends requests of one's own with its token,
// retries, pages and errors. The owner has invited the guest already.

import assert from 'node:assert/strict';

import LlamaCloud, { APIError, AuthenticationError, ConflictError, NotFoundError, PermissionDeniedError, UnprocessableEntityError } from '@llamaindex/llama-cloud';
import { PaginatedCursor } from '@llamaindex/llama-cloud/core/pagination';

import { eventually, guest, isId, organization, owner, step, stranger, url } from './story.mjs';

let requests = 0;
const as = ({ token }) => new LlamaCloud({
  baseURL: url, apiKey: token, fetch: (...request) => { requests += 1; return fetch(...request); },
});
const [owners, guests, strangers] = [owner, guest, stranger].map(as);

/** Wants an error of the client's class after a single request: the client repeats 409 and 5xx unless it is told not to. */
async function refused(act, type) {
  requests = 0;
  const error = await act().then(() => assert.fail('no error'), (thrown) => thrown);
  assert.ok(error instanceof type && error instanceof APIError, `${error}`);
  assert.equal(requests, 1);
  assert.ok(error.error.detail, 'the client found no detail');
}

const invites = (client, query = {}) => client.getAPIList('/api/v2/invites', PaginatedCursor, { query });

const invite = await step('the guest reads the invitation, page by page', async () => {
  const all = [];
  await eventually(async () => {
    all.length = 0;
    for await (const item of invites(guests, { page_size: 1 })) {
      all.push(item);
    }
    assert.ok(all.some((item) => item.organization_id === organization));
  });
  assert.equal(new Set(all.map((item) => item.id)).size, all.length);
  const mine = all.find((item) => item.organization_id === organization);
  isId(mine.id);
  assert.deepEqual([mine.organization_name, mine.role], ['Night Works', 'developer']);
  return mine;
});

await step('what is refused has the class it should, and is not repeated', async () => {
  await refused(() => as({ token: 'nonsense' }).get('/api/v2/invites'), AuthenticationError);
  await refused(() => strangers.post(`/api/v2/invites/${invite.id}/accept`), PermissionDeniedError);
  await refused(() => guests.post('/api/v2/invites/unknown/accept'), NotFoundError);
  await refused(() => owners.put(`/api/v1/organizations/${organization}/users`, { body: [{}] }), UnprocessableEntityError);
  await refused(() => owners.delete(`/api/v1/organizations/${organization}/users/${owner.email}`), ConflictError);
});

await step('the guest accepts, and finds the organisation among its own', async () => {
  assert.deepEqual(await guests.post(`/api/v2/invites/${invite.id}/accept`), { organization_id: organization });
  await refused(() => guests.post(`/api/v2/invites/${invite.id}/accept`), NotFoundError);
  await eventually(async () => {
    const ids = [];
    for await (const item of guests.getAPIList('/api/v2/organizations', PaginatedCursor, { query: { page_size: 1 } })) {
      ids.push(item.id);
    }
    assert.ok(ids.includes(organization));
    assert.equal(new Set(ids).size, ids.length);
  });
});
