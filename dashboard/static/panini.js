// Theme, copy, tabs of snippets, and the state of the page's stream. Everything is readable without this file.
// Loaded in <head> without defer, so that the page knows of scripts before its first paint.
(function () {
  'use strict';
  var root = document.documentElement;
  root.classList.add('js');

  function isDark() {
    var theme = root.dataset.theme;
    return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  }

  document.addEventListener('click', function (event) {
    if (event.target.closest('[data-theme-toggle]')) {
      root.dataset.theme = isDark() ? 'light' : 'dark';
      document.cookie = 'theme=' + root.dataset.theme + '; path=/; max-age=31536000; samesite=lax';
    }
    var copy = event.target.closest('[data-copy]');
    if (copy && navigator.clipboard) {
      var value = copy.parentNode.querySelector('[data-value]').textContent.trim();
      navigator.clipboard.writeText(value).then(function () {
        var word = copy.querySelector('[aria-live]');
        word.textContent = 'Copied';
        setTimeout(function () { word.textContent = word.dataset.word || ''; }, 1600);
      });
    }
    if (event.target.closest('[data-reload]')) { event.preventDefault(); location.reload(); }
  });

  // filters of a list: a changed choice asks for the page at once; the address is the state
  document.addEventListener('change', function (event) {
    var form = event.target.closest('[data-filter]');
    if (form && event.target.tagName === 'SELECT') { form.requestSubmit(); }
  });

  // ---- tabs of snippets

  function show(group, link) {
    group.querySelectorAll('a[href^="#"]').forEach(function (a) {
      var on = a === link, panel = document.getElementById(a.hash.slice(1));
      a.setAttribute('aria-selected', on);
      a.tabIndex = on ? 0 : -1;
      panel.hidden = !on;
      panel.setAttribute('role', 'tabpanel');
    });
  }

  function prepare(scope) {
    scope.querySelectorAll('[data-tabs]').forEach(function (group) {
      if (group.dataset.ready) { return; }
      group.dataset.ready = '1';
      var links = Array.from(group.querySelectorAll('a[href^="#"]'));
      group.setAttribute('role', 'tablist');
      links.forEach(function (a) { a.setAttribute('role', 'tab'); });
      show(group, links[0]);
      group.addEventListener('click', function (event) {
        var a = event.target.closest('a[href^="#"]');
        if (a) { event.preventDefault(); show(group, a); }
      });
      group.addEventListener('keydown', function (event) {
        var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], at = links.indexOf(document.activeElement);
        if (step && at >= 0) { var next = links[(at + step + links.length) % links.length]; show(group, next); next.focus(); }
      });
    });
    scope.querySelectorAll('[data-follow]').forEach(function (log) { log.scrollTop = log.scrollHeight; });
    var current = scope.querySelector('.tabs [aria-current]');
    if (current) { current.parentNode.scrollLeft = current.offsetLeft - 96; }
  }

  document.addEventListener('DOMContentLoaded', function () { prepare(document); });
  document.addEventListener('htmx:afterSettle', function (event) {
    prepare(event.detail.elt && event.detail.elt.isConnected ? event.detail.elt.parentNode || document : document);
  });

  // ---- the page's one stream

  var late;

  function connection(on) {
    var sign = document.querySelector('[data-conn]'), stale = document.querySelector('[data-stale]');
    if (!sign) { return; }
    sign.hidden = false;
    sign.classList.toggle('conn--off', !on);
    sign.querySelector('[data-conn-word]').textContent = on ? 'live' : 'reconnecting';
    clearTimeout(late);
    if (on) { if (stale) { stale.hidden = true; } return; }
    late = setTimeout(function () {
      var now = document.querySelector('[data-stale]');
      if (now) { now.hidden = false; }
    }, 5000);
  }

  document.addEventListener('htmx:sseOpen', function () { connection(true); });
  document.addEventListener('htmx:sseError', function () { connection(false); });
  document.addEventListener('htmx:sseClose', function () {
    var sign = document.querySelector('[data-conn]');
    clearTimeout(late);
    if (sign) { sign.hidden = true; }
  });

  // ---- logs: a line comes once, however often the stream broke; followed only when scrolled to the end

  var LINES = 2000;

  document.addEventListener('htmx:sseBeforeMessage', function (event) {
    var log = event.target;
    if (!log.hasAttribute('data-log')) { return; }
    var number = Number(event.detail.lastEventId), last = log.querySelector('.log__line:last-child > :first-child');
    if (last && number <= Number(last.textContent)) { event.preventDefault(); return; }
    log.dataset.atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 24 ? '1' : '';
  });

  document.addEventListener('htmx:sseMessage', function (event) {
    var log = event.target;
    if (!log.hasAttribute('data-log')) { return; }
    while (log.childElementCount > LINES) { log.firstElementChild.remove(); }
    if (log.dataset.atEnd) { log.scrollTop = log.scrollHeight; }
  });
})();
