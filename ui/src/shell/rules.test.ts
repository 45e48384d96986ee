import { describe, expect, it } from 'vitest'
import { chooseWay } from './rules'

const ORIGIN = 'https://chat.example.org'
const FILES = new Set(['/', '/icon.svg', '/assets/index-A.js'])

function choose(path: string, asked: { method?: string; mode?: string } = {}): string {
  const url = path.startsWith('/') ? `${ORIGIN}${path}` : path
  return chooseWay({ method: 'GET', mode: 'cors', url, ...asked }, ORIGIN, FILES)
}

describe('chooseWay', () => {
  it.each(['/', '/?model=x', '/c/0198c3', '/c/a%2Fb#end'])('takes a visit of %s for the page', (path) => {
    expect(choose(path, { mode: 'navigate' })).toBe('page')
  })

  it.each(['/api/docs', '/licenses.md', '/mermaid.html', '/healthz', '/cats', '/c', '/assets/index-A.js'])(
    'leaves a visit of %s to the network',
    (path) => {
      expect(choose(path, { mode: 'navigate' })).toBe('network')
    },
  )

  it.each(['/assets/index-A.js', '/assets/katex-B.js', '/icon.svg'])('takes %s for a file', (path) => {
    expect(choose(path)).toBe('file')
  })

  it.each([
    '/api/models',
    '/api/conversations?limit=50',
    '/api/assets/x',
    '/v1/models',
    '/v1/responses/resp_1',
    '/model/x/converse',
    '/healthz',
    '/readyz',
    '/sw.js',
    '/',
    '/c/0198c3',
    'https://evil.example/assets/index-A.js',
    'http://chat.example.org/assets/index-A.js',
    'https://chat.example.org:8443/icon.svg',
  ])('never touches a request for %s', (path) => {
    expect(choose(path)).toBe('network')
  })

  it.each(['POST', 'PUT', 'DELETE', 'HEAD'])('never touches a %s', (method) => {
    expect(choose('/', { method, mode: 'navigate' })).toBe('network')
    expect(choose('/assets/index-A.js', { method })).toBe('network')
  })
})
