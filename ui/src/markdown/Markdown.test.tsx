import { act, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { highlighter } from './highlight'
import { Markdown } from './Markdown'
import { typesetter } from './tex'

const LOADING_MS = 60_000

function htmlOf(text: string, open = false): string {
  return render(<Markdown text={text} open={open} />).container.querySelector('.md-part')?.innerHTML ?? ''
}

describe('an answer', () => {
  it('has its headings below those of the page', () => {
    const { container } = render(<Markdown text={'# A\n\n## B\n\n##### C'} open={false} />)
    expect([...container.querySelectorAll('h3, h4, h6')].map((one) => one.textContent)).toEqual([
      'A',
      'B',
      'C',
    ])
  })

  it('has links that tell nobody where they were followed', () => {
    render(<Markdown text={'[docs](https://example.org "Read")'} open={false} />)
    const link = screen.getByRole('link', { name: 'docs' })
    expect(link.getAttribute('rel')).toBe('noopener noreferrer')
    expect(link.getAttribute('title')).toBe('Read')
  })

  it('shows pictures as links, and loads none', () => {
    const { container } = render(<Markdown text="![a cat](https://example.org/cat.png)" open={false} />)
    expect(screen.getByRole('link', { name: 'a cat' })).toBeDefined()
    expect(container.querySelector('img')).toBeNull()
  })

  it('shows an address that may not be followed as its words', () => {
    expect(htmlOf('[words](javascript:alert(1))')).toBe('<p dir="auto">words</p>')
  })

  it('shows HTML as text, but for a line break', () => {
    expect(htmlOf('a <b>c</b><br>d')).toBe('<p dir="auto">a &lt;b&gt;c&lt;/b&gt;<br>d</p>')
  })

  it('has tables in a frame that can be scrolled by keyboard', () => {
    render(<Markdown text={'| a | b |\n|:--|--:|\n| 1 | 2 |'} open={false} />)
    expect(screen.getByRole('group', { name: 'Table: a, b' }).tabIndex).toBe(0)
    expect(screen.getByRole('columnheader', { name: 'b' }).className).toBe('md-right')
  })

  it('has lists of tasks, nested lists and numbers that begin anywhere', () => {
    const { container } = render(
      <Markdown text={'- [x] done\n- [ ] open\n  - in\n\n3. three'} open={false} />,
    )
    expect(screen.getByRole<HTMLInputElement>('checkbox', { name: 'Done' }).checked).toBe(true)
    expect(container.querySelector('li li')?.textContent).toBe('in')
    expect(container.querySelector('ol')?.getAttribute('start')).toBe('3')
  })

  it('shows notes that it has no place for, and lone halves of characters, as they are', () => {
    expect(htmlOf('a[^1]\n\n[^1]: word')).toContain('[^1]: word')
    expect(htmlOf('a\ud83d')).toContain('a')
  })

  it('shows what is nested beyond reason as text', () => {
    const { container } = render(<Markdown text={`before\n\n${'> '.repeat(5000)}end`} open={false} />)
    expect(container.textContent).toContain('before')
    expect(container.textContent).toContain('> > >')
    expect(container.querySelectorAll('blockquote')).toHaveLength(0)
  })
})

describe('an answer that grows', () => {
  it.each([
    ['a **bold', '<p dir="auto">a <strong>bold</strong></p>'],
    ['a `co', '<p dir="auto">a <code>co</code></p>'],
    ['see [the docs](https://exam', '<p dir="auto">see the docs</p>'],
    ['see [the do', '<p dir="auto">see the do</p>'],
    ['see https://exam', '<p dir="auto">see https://exam</p>'],
    ['a **https://exam', '<p dir="auto">a <strong>https://exam</strong></p>'],
    ['see ![a cat](https://exam', '<p dir="auto">see a cat</p>'],
    ['para\n--', '<p dir="auto">para</p>'],
  ])('shows %j as if it were whole', (text, html) => {
    expect(htmlOf(text, true)).toBe(html)
  })

  it('never shows a link before its end', () => {
    const text = 'See [docs](https://example.org/a) and https://example.org/b now.'
    const { container, rerender } = render(<Markdown text="" open={true} />)
    for (let cut = 1; cut <= text.length; cut += 1) {
      rerender(<Markdown text={text.slice(0, cut)} open={true} />)
      const links = [...container.querySelectorAll('a')].map((link) => link.getAttribute('href'))
      expect(['', 'https://example.org/a', 'https://example.org/a https://example.org/b']).toContain(
        links.join(' '),
      )
      expect(container.textContent).not.toContain('](')
    }
  })

  it('keeps the elements of what is finished', () => {
    const text = 'One.\n\n- a\n- b\n\n```js\nx\n```\n\nFour'
    const { container, rerender } = render(<Markdown text={text} open={true} />)
    const before = [...(container.querySelector('.md-part')?.children ?? [])]
    rerender(<Markdown text={`${text} and more`} open={true} />)
    rerender(<Markdown text={`${text} and more`} open={false} />)
    const after = [...(container.querySelector('.md-part')?.children ?? [])]
    expect(after).toEqual(before)
    expect(after.at(-1)?.textContent).toBe('Four and more')
  })

  it('is in parts, none of which ends with a heading', () => {
    const text = `${'One.\n\n'.repeat(7)}## Two\n\n${'Three.\n\n'.repeat(9)}`
    const { container } = render(<Markdown text={text} open={true} />)
    const parts = [...(container.querySelector('.md')?.children ?? [])]
    expect(parts.map((part) => part.children.length)).toEqual([9, 8])
    expect(parts[0]?.lastElementChild?.textContent).toBe('Three.')
  })

  it('updates an item of a list when its link is defined late', () => {
    const text = '- see [docs]\n- more\n\n'
    const { rerender } = render(<Markdown text={text} open={true} />)
    rerender(<Markdown text={`${text}[docs]: https://example.org`} open={false} />)
    expect(screen.getByRole('link', { name: 'docs' })).toBeDefined()
  })
})

describe('code', () => {
  beforeAll(async () => {
    highlighter.load()
    await vi.waitUntil(() => highlighter.get() !== null, { timeout: LOADING_MS })
  }, LOADING_MS)

  it('is coloured when it is complete, and its text is unchanged', () => {
    const source = ['const a = `b $', '{c}` // <d>\n'].join('')
    const { container } = render(<Markdown text={`\`\`\`js\n${source}\`\`\``} open={false} />)
    expect(container.querySelector('.hl-keyword')?.textContent).toBe('const')
    expect(container.querySelector('pre')?.textContent).toBe(source.trimEnd())
  })

  it('is plain while it grows, in an unknown language, and beyond 50,000 characters', () => {
    const plain = [
      '```js\nconst a = 1',
      '```nonsense\nconst a\n```',
      `\`\`\`js\n${'const a\n'.repeat(7000)}\`\`\``,
    ]
    for (const text of plain) {
      const { container, unmount } = render(<Markdown text={text} open={true} />)
      expect(container.querySelector('[class^="hl-"]')).toBeNull()
      unmount()
    }
  })

  it('keeps all of its text while it grows', () => {
    const source = Array.from({ length: 500 }, (_, index) => `line ${index}`).join('\n')
    const { container } = render(<Markdown text={`\`\`\`py\n${source}`} open={true} />)
    expect(container.querySelector('code')?.textContent).toBe(source)
  })

  it('is copied by its button, which says so', async () => {
    const user = userEvent.setup()
    render(<Markdown text={'```py\nprint(1)\n```'} open={false} />)
    await user.click(screen.getByRole('button', { name: 'Copy code' }))
    expect(await navigator.clipboard.readText()).toBe('print(1)')
    expect(screen.getByRole('status').textContent).toBe('Copied')
  })

  it('does not spell its language out letter by letter', () => {
    expect(htmlOf('```pyth', true)).not.toContain('pyth')
    expect(htmlOf('```python\n', true)).toContain('python')
  })

  it('has its language beside it', () => {
    render(<Markdown text={'```python title="x"\nprint(1)\n```'} open={false} />)
    expect(screen.getByRole('group', { name: 'Code, python' }).textContent).toBe('print(1)')
  })
})

describe('formulas', () => {
  beforeAll(async () => {
    typesetter.load()
    await vi.waitUntil(() => typesetter.get() !== null, { timeout: LOADING_MS })
  }, LOADING_MS)

  it('are MathML with their source in it', () => {
    const { container } = render(<Markdown text="$\frac{a}{b}$" open={false} />)
    expect(container.querySelector('math mfrac')?.children).toHaveLength(2)
    expect(container.querySelector('annotation')?.textContent).toBe('\\frac{a}{b}')
  })

  it('have their letters and spaces', () => {
    const { container } = render(<Markdown text="$\mathbb{R}\quad\mathbf{x}\,\mathcal{L}$" open={false} />)
    expect(container.querySelector('semantics > mrow')?.textContent).toContain('ℝ')
    expect(container.querySelector('mspace')?.getAttribute('width')).toBe('1em')
  })

  it('show their source where they cannot be set, or lead somewhere', () => {
    expect(htmlOf('$\\frobnicate{x}$')).toContain('$\\frobnicate{x}$')
    const { container } = render(<Markdown text="$\href{https://example.org}{x}$" open={false} />)
    expect(container.querySelector('a, [href]')).toBeNull()
  })
})

describe('a diagram', () => {
  const text = '```mermaid\ngraph TD; A-->B\n```'

  it('is code until it is complete, then a frame without any right', () => {
    const { container, rerender } = render(<Markdown text={text.slice(0, -3)} open={true} />)
    expect(container.querySelector('iframe')).toBeNull()
    rerender(<Markdown text={text} open={true} />)
    expect(container.querySelector('iframe')?.getAttribute('sandbox')).toBe('allow-scripts')
  })

  it('can show its source', async () => {
    const { container } = render(<Markdown text={text} open={false} />)
    await userEvent.click(screen.getByRole('button', { name: 'Show source' }))
    expect(container.querySelector('code')?.textContent).toBe('graph TD; A-->B')
    await userEvent.click(screen.getByRole('button', { name: 'Show diagram' }))
    expect(container.querySelector('iframe')).not.toBeNull()
  })

  it('is drawn as high as its frame says, and believes no other', () => {
    const { container } = render(<Markdown text={text} open={false} />)
    const frame = container.querySelector('iframe')
    const say = (source: MessageEventSource | null, height: number) =>
      act(() =>
        window.dispatchEvent(
          new MessageEvent('message', { source, data: { kind: 'drawn', width: 1, height } }),
        ),
      )
    say(window, 500)
    expect(frame?.style.height).toBe('')
    say(frame?.contentWindow ?? null, 400)
    expect(frame?.style.height).toBe('400px')
  })

  it('shows its source where its frame has loaded and says nothing for long', () => {
    vi.useFakeTimers()
    const { container } = render(<Markdown text={text} open={false} />)
    act(() => container.querySelector('iframe')?.dispatchEvent(new Event('load')))
    act(() => vi.advanceTimersByTime(60_000))
    vi.useRealTimers()
    expect(container.textContent).toContain('could not be drawn')
  })

  it('shows its source where it could not be drawn', () => {
    const { container } = render(<Markdown text={text} open={false} />)
    const source = container.querySelector('iframe')?.contentWindow ?? null
    act(() => window.dispatchEvent(new MessageEvent('message', { source, data: { kind: 'failed' } })))
    expect(container.textContent).toContain('could not be drawn')
    expect(container.querySelector('code')?.textContent).toBe('graph TD; A-->B')
  })
})
