import neostandard, { resolveIgnoresFromGitignore } from 'neostandard'

// Who may import whom (ARCHITECTURE.md). src/*.ts may import anything; nobody imports them.
const folders = {
  core: [],
  analysis: ['core'],
  diagnostics: ['core', 'analysis'],
  jobs: ['core', 'diagnostics'],
  kubernetes: ['core'],
  storage: ['core'],
  queue: ['core'],
  auth: ['core'],
  http: ['core', 'diagnostics', 'jobs', 'auth'],
  graphql: ['core', 'diagnostics', 'jobs', 'auth'],
  openapi: ['core', 'diagnostics']
}

// Each library has one owning folder.
const libraries = {
  '@kubernetes/client-node': 'kubernetes',
  ws: 'kubernetes',
  '@prisma/': 'storage',
  pg: 'storage',
  '@aws-sdk/': 'storage',
  bullmq: 'queue',
  ioredis: 'queue',
  mercurius: 'graphql',
  '@fastify/websocket': 'graphql',
  '@fastify/swagger': 'openapi'
}

function importRule (folder) {
  const foreign = Object.keys(folders).filter(name => name !== folder && !folders[folder].includes(name))
  const patterns = [
    // A `group` that begins with # would be a comment in gitignore syntax, and match nothing: hence regex.
    { regex: `^#(?:${foreign.join('|')})/`, message: `${folder}/ may import only ${folders[folder].join(', ') || 'nothing of ours'}` },
    { regex: `^#${folder}/`, message: 'Use ./ inside a folder' },
    { regex: '^#[^/]+$', message: 'Nobody imports the mains' },
    { regex: `^(?:\\.\\./)+(?:${Object.keys(folders).filter(name => name !== folder).join('|')})(?:/|$)`, message: 'Use #folder/ between folders' },
    ...Object.entries(libraries).filter(([, owner]) => owner !== folder).map(([library, owner]) => ({
      regex: library.endsWith('/') ? `^${library}` : `^${library}(?:/|$)`,
      message: `Only ${owner}/ imports ${library}`
    }))
  ]
  return { files: [`src/${folder}/**/*.ts`], rules: { 'no-restricted-imports': ['error', { patterns }] } }
}

export default [
  ...neostandard({ ts: true, ignores: [...resolveIgnoresFromGitignore(), 'src/storage/generated/**'] }),
  {
    rules: {
      'max-lines': ['error', { max: 300 }],
      '@stylistic/max-len': ['error', { code: 140, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }]
    }
  },
  { files: ['**/*.ts'], rules: { '@typescript-eslint/no-explicit-any': 'error', '@typescript-eslint/consistent-type-imports': 'error', '@typescript-eslint/no-redeclare': 'off' } },
  ...Object.keys(folders).map(importRule),
  // A wall clock that is set back or ahead must shorten or lengthen nothing.
  { files: ['src/**/*.ts'], rules: { 'no-restricted-properties': ['error', { object: 'Date', property: 'now', message: 'Measure with performance.now()' }] } }
]
